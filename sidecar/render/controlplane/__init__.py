"""What AWS needs for the control plane's logs: a CloudFormation template, and what the function has to know.

The template makes the function, its role, which may do no more than it needs, the subscription of the log group, a
queue for what fails for good, and alarms. What only whoever deploys knows is a parameter.
"""

from sidecar.render.controlplane.alarms import NAMESPACE
from sidecar.render.controlplane.settings import has_function, settings
from sidecar.render.controlplane.template import HANDLER, template

__all__ = ["HANDLER", "NAMESPACE", "TEMPLATE", "has_function", "settings", "template"]

TEMPLATE = "controlplane/template.json"
