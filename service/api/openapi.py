"""The OpenAPI document and its page, which Litestar generates from the handlers."""

from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import msgspec
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from service.api.info import own_version

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator


class BodyChoiceSchema(OpenAPISchemaPlugin):
    """Describes a union of structs (bodies of several dialects) as `anyOf`, since a body may match more than one."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Tell whether the type is a union of structs only."""
        types = get_args(value) if get_origin(value) in {Union, UnionType} else ()
        return bool(types) and all(isinstance(one, type) and issubclass(one, msgspec.Struct) for one in types)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> Schema:
        """Return a schema that lists the choices."""
        return Schema(any_of=[schema_creator.for_field_definition(one) for one in field_definition.inner_types])


def openapi(docs: str) -> OpenAPIConfig:
    """Serve the document at `<docs>/openapi.json` and its page at `<docs>`, without files from other hosts."""
    page = SwaggerRenderPlugin(
        path="/",
        js_url=f"{docs}/assets/swagger-ui-bundle.js",
        css_url=f"{docs}/assets/swagger-ui.css",
        standalone_preset_js_url=f"{docs}/assets/swagger-ui-standalone-preset.js",
        favicon='<link rel="icon" href="data:,">',
    )
    bearer = SecurityScheme(type="http", scheme="bearer", description="An API key, if the server requires one.")
    return OpenAPIConfig(
        title="rerank",
        version=own_version(),
        path=docs,
        render_plugins=[page],
        use_handler_docstrings=True,
        components=Components(security_schemes={"ApiKey": bearer}),
        security=[{"ApiKey": []}, {}],
    )
