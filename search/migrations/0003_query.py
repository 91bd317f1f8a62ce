from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("search", "0002_indexing"), ("conversations", "0001_initial")]

    operations = [
        migrations.RunSQL(  # titles by their words, in any order
            "CREATE INDEX conversations_title_words ON conversations USING gin (to_tsvector('english', title))",
            "DROP INDEX conversations_title_words",
        ),
    ]
