"""What each task uses now, and why: the operators' choice, the standard one, or the first that is able to."""

from typing import NamedTuple

from llmconfig.models import DefaultModel, LLMModel, Task
from llmconfig.services import find_default, standard_of, why_unfit


class InUse(NamedTuple):
    """`model` is None where no model here does the task. `row` is the operators' choice, whether it can be used or not.

    `warning` is a sentence if the model has become unfit since it was chosen; empty otherwise.
    """

    task: Task
    model: LLMModel | None
    row: DefaultModel | None
    warning: str

    @property
    def is_chosen(self) -> bool:
        return self.row is not None and self.model is not None and self._is(self.row.llm_provider, self.row.llm_model)

    @property
    def is_standard(self) -> bool:
        return not self.is_chosen and self._is(*standard_of(self.task))

    @property
    def passed_over(self) -> str:
        """`provider/model` of a choice that can't be used now, which is why there is another; else empty."""
        return "" if self.row is None or self.is_chosen else f"{self.row.llm_provider}/{self.row.llm_model}"

    def _is(self, provider: str, model_id: str) -> bool:
        return self.model is not None and (self.model.provider, self.model.model_id) == (provider, model_id)


def tasks_in_use() -> list[InUse]:
    """What every task uses."""
    rows = {row.prompt_type: row for row in DefaultModel.objects.select_related("created_by_user")}
    return [_in_use(task, rows.get(task.value)) for task in Task]


def _in_use(task: Task, row: DefaultModel | None) -> InUse:
    model = find_default(prompt_type=task)
    return InUse(task, model, row, why_unfit(prompt_type=task, model=model) if model else "")
