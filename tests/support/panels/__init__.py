"""What a panel of OpenSearch Dashboards asks of OpenSearch, told from its saved object, and what its answer shows.

Made from how OpenSearch Dashboards does it (`agg_configs`, `build_query`, `terms`, `json`), not from our renderer: a
mistake there is not repeated here.
"""

from tests.support.panels.answer import empty_parts
from tests.support.panels.question import Question, StrangePanelError, questions

__all__ = ["Question", "StrangePanelError", "empty_parts", "questions"]
