"""The OpenAPI document: what routes say of themselves, and what holds for all of them."""
