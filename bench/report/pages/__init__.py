"""The site's pages, one file each: records in, tables and charts out. What they look like is the templates'."""
