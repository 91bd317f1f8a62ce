from django import template

from config.integrations import State, states

register = template.Library()


@register.simple_tag
def integration_states() -> list[State]:
    """What is known without asking anybody."""
    return states()
