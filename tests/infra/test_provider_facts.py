"""Reading a package's declarations: a small package of the same make as the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.provider_facts import FactsError, collect, main

LINK = "{@link https://registry.terraform.io/providers/hashicorp/acme/1.2.3/docs/resources/x"
DECLARATIONS = f"""
export interface ThingConfig extends cdktf.TerraformMetaArguments {{
    /**
    * The name; see the comment. Possible values: `a`, `b`
    *
    * Docs at Terraform Registry: {LINK}#thing_name Thing#thing_name}}
    */
    readonly thingName: string;
    /**
    * Docs at Terraform Registry: {LINK}#labels Thing#labels}}
    */
    readonly labels?: {{
        [key: string]: string;
    }};
    /**
    * Docs at Terraform Registry: {LINK}#zones Thing#zones}}
    */
    readonly zones?: string[];
    /**
    * part block
    *
    * Docs at Terraform Registry: {LINK}#part Thing#part}}
    */
    readonly part: ThingPart[] | cdktf.IResolvable;
}}
export interface ThingPart {{
    /**
    * Docs at Terraform Registry: {LINK}#on Thing#on}}
    */
    readonly on?: boolean | cdktf.IResolvable;
}}
"""
SCRIPT = """
class ThingPartOutputReference extends cdktf.ComplexObject {
    // state - computed: true, optional: false, required: false
}
class Thing extends cdktf.TerraformResource {
    // created - computed: true, optional: false, required: false
    // part - computed: false, optional: false, required: true
}
"""
DATA = f"""
export interface DataAcmeThingConfig {{
    /**
    * Docs at Terraform Registry: {LINK.replace("resources", "data-sources")}#name Data#name}}
    */
    readonly name?: string;
}}
"""
PROVIDER = """
export interface AcmeProviderConfig {
    /**
    * Docs at Terraform Registry: {@link https://x/docs#zone AcmeProvider#zone}
    */
    readonly zone?: string;
    /**
    * Docs at Terraform Registry: {@link https://x/docs#x_endpoint AcmeProvider#x_endpoint}
    */
    readonly aCustomEndpoint?: string;
}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    files = {
        "package.json": json.dumps(
            {
                "cdktf": {
                    "provider": {
                        "name": "registry.terraform.io/hashicorp/acme",
                        "version": "1.2.3",
                    }
                }
            }
        ),
        "lib/thing/index.d.ts": DECLARATIONS,
        "lib/thing/index.js": SCRIPT,
        "lib/data-acme-thing/index.d.ts": DATA,
        "lib/data-acme-thing/index.js": """
class DataAcmeThing extends cdktf.TerraformDataSource {
    // number - computed: true, optional: false, required: false
}
""",
        "lib/provider/index.d.ts": PROVIDER,
        "lib/provider/index.js": "class AcmeProvider extends cdktf.TerraformProvider {}",
        "terraform/main.tf": """
resource "acme_thing" "x" {
  thing_name = "x"
}
data "acme_thing" "y" {}
""",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_declarations_become_facts(package: Path) -> None:
    facts = collect([package], package / "terraform", ["upper", "lower"])
    assert facts == {
        "providers": {"hashicorp/acme": "1.2.3"},
        "resources": {
            "acme_thing": {
                "attributes": {
                    "thing_name": "string required",
                    "labels": "map optional",
                    "zones": "list optional",
                    "created": "any computed",
                    "id": "string computed",
                },
                "blocks": {
                    "part": {
                        "required": True,
                        "many": True,
                        "attributes": {"on": "bool optional", "state": "any computed"},
                        "blocks": {},
                    }
                },
            }
        },
        "data": {
            "acme_thing": {
                "attributes": {
                    "name": "string optional",
                    "number": "any computed",
                    "id": "string computed",
                },
                "blocks": {},
            }
        },
        "configuration": {"acme": {"attributes": {"zone": "string optional"}, "blocks": {}}},
        "functions": ["lower", "upper"],
    }


def test_resource_that_no_package_declares_is_named(package: Path) -> None:
    (package / "terraform" / "more.tf").write_text('resource "other_x" "y" {}\n', encoding="utf-8")
    with pytest.raises(FactsError, match="no package declares other_x"):
        collect([package], package / "terraform", [])
    (package / "terraform" / "more.tf").write_text('data "other_z" "y" {}\n', encoding="utf-8")
    with pytest.raises(FactsError, match="no package declares other_z"):
        collect([package], package / "terraform", [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("zones?: string[]", "zones?: symbol", "unknown type symbol"),
        ("#labels Thing#labels}", "nothing", "4 properties, 3 read"),
        ("interface ThingConfig", "interface ThingOptions", "declares no configuration"),
    ],
)
def test_package_of_another_make_is_refused(
    package: Path, old: str, new: str, message: str
) -> None:
    path = package / "lib" / "thing" / "index.d.ts"
    path.write_text(DECLARATIONS.replace(old, new), encoding="utf-8")
    with pytest.raises(FactsError, match=message):
        collect([package], package / "terraform", [])


def test_without_a_package_the_usage_is_told() -> None:
    assert main([]) == 2
