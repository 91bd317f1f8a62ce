from django.db import migrations, models
from django.db.models.functions import Left, Lower


class Migration(migrations.Migration):

    dependencies = [("conversations", "0005_deleted")]

    operations = [
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(models.OrderBy(models.F("import_date"), descending=True), models.OrderBy(models.F("id"), descending=True), condition=models.Q(("deleted_at", None)), name="conversations_last_imported"),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(Lower(Left("title", 200)), models.F("id"), condition=models.Q(("deleted_at", None)), name="conversations_by_title"),
        ),
    ]
