from datetime import date

from django.db import migrations

from llmconfig.catalogue import ALIASES, EMBEDDERS, FREE, REASONING_OUTPUT_TOKENS, RESPONSES_MODELS, THINKING

ENTERED = date(2026, 11, 22)


def detail(apps, schema_editor):
    model = apps.get_model("llmconfig", "LLMModel")
    for position, (provider, model_id, label, window) in enumerate(EMBEDDERS, start=100):
        model.objects.get_or_create(
            provider=provider,
            model_id=model_id,
            defaults={
                "label": label,
                "kind": "embedding",
                "context_window_tokens": window,
                "supports_tools": False,
                "position": position,
            },
        )
    for (provider, model_id), aliases in ALIASES.items():
        model.objects.filter(provider=provider, model_id=model_id).update(aliases=list(aliases))
    for provider, model_id in FREE:
        model.objects.filter(provider=provider, model_id=model_id).update(
            input_price=0, output_price=0, priced_on=ENTERED
        )
    model.objects.filter(provider="openai", model_id__in=RESPONSES_MODELS).update(api_flavour="responses")
    for provider, model_id in THINKING:
        model.objects.filter(provider=provider, model_id=model_id).update(output_cap_tokens=REASONING_OUTPUT_TOKENS)


class Migration(migrations.Migration):
    dependencies = [("llmconfig", "0003_tasks_prices_calls")]
    operations = [migrations.RunPython(detail, migrations.RunPython.noop)]
