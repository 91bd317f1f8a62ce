from django.db import migrations

from llmconfig.catalogue import CATALOGUE, REASONING_MODELS


def seed(apps, schema_editor):
    model = apps.get_model("llmconfig", "LLMModel")
    model.objects.bulk_create(
        model(
            provider=provider,
            model_id=model_id,
            label=label,
            context_window_tokens=window,
            supports_images=images,
            supports_pdfs=pdfs,
            position=position,
            options={"max_tokens_field": "max_completion_tokens"} if model_id in REASONING_MODELS else {},
        )
        for position, (provider, model_id, label, window, images, pdfs) in enumerate(CATALOGUE)
    )


class Migration(migrations.Migration):
    dependencies = [("llmconfig", "0001_initial")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
