from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("search", "0002_indexing"), ("conversations", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="CommonWord",
            fields=[("lexeme", models.TextField(primary_key=True, serialize=False))],
            options={"db_table": "search_common_words"},
        ),
        migrations.RunSQL(  # titles by their words, in any order
            "CREATE INDEX conversations_title_words ON conversations USING gin (to_tsvector('english', title))",
            "DROP INDEX conversations_title_words",
        ),
    ]
