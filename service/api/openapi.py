"""The OpenAPI document and its page, which Litestar makes from the handlers."""

from typing import TYPE_CHECKING

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from service.api.info import own_version
from service.dialects.either import EitherErrors, TextsOrDocuments

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator


class EitherSchema(OpenAPISchemaPlugin):
    """A body of several dialects, as a choice of their schemas; they overlap, so more than one may hold."""

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        """Take the bodies of the route where dialects meet."""
        return value in {TextsOrDocuments, EitherErrors}

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: "SchemaCreator") -> Schema:
        """Name each choice."""
        choices = field_definition.annotation.choices
        return Schema(
            any_of=[schema_creator.for_field_definition(FieldDefinition.from_annotation(one)) for one in choices]
        )


def openapi(docs: str) -> OpenAPIConfig:
    """Put the document at `<docs>/openapi.json` and its page at `<docs>`, with no file from another host."""
    page = SwaggerRenderPlugin(
        path="/",
        js_url=f"{docs}/assets/swagger-ui-bundle.js",
        css_url=f"{docs}/assets/swagger-ui.css",
        standalone_preset_js_url=f"{docs}/assets/swagger-ui-standalone-preset.js",
        favicon='<link rel="icon" href="data:,">',
    )
    bearer = SecurityScheme(type="http", scheme="bearer", description="An API key, where the server has any.")
    return OpenAPIConfig(
        title="rerank",
        version=own_version(),
        path=docs,
        render_plugins=[page],
        use_handler_docstrings=True,
        components=Components(security_schemes={"ApiKey": bearer}),
        security=[{"ApiKey": []}, {}],
    )
