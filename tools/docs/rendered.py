# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every file that says the options again, as it has to be. The same sources give the same bytes."""

from __future__ import annotations

from pathlib import Path

from plugins.module_utils import _model as model

from . import metrics_page, modules_page, objects, role_specs, types_table
from .words import module_path


def rendered(root: Path) -> dict[Path, str]:
    """File to text; what people wrote in it stays. Raises SystemExit where a declared option is not described."""
    modules = {module_path(root, objects.module_of(cls)): objects.module(root, cls) for cls in model.KINDS.values()}
    architecture = root / "docs/explanation/architecture.md"
    return {
        **modules,
        root / "plugins/doc_fragments/objects.py": objects.source(root),
        root / "roles/balancer/meta/argument_specs.yml": role_specs.render(root),
        root / "docs/reference/modules.md": modules_page.render(root),
        root / "docs/reference/metrics.md": metrics_page.render(root),
        architecture: types_table.placed(architecture.read_text(encoding="utf-8")),
    }
