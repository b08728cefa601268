"""What the tests share: local servers, tiny models, own texts, a browser, commands as a user types them."""
