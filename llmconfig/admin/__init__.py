"""The back office of models, prompts, defaults and calls."""

from llmconfig.admin.calls import LLMCallAdmin
from llmconfig.admin.catalogue import LLMModelAdmin
from llmconfig.admin.defaults import DefaultModelAdmin
from llmconfig.admin.prompts import PromptAdmin

__all__ = ["DefaultModelAdmin", "LLMCallAdmin", "LLMModelAdmin", "PromptAdmin"]
