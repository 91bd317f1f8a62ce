from django.db import migrations


def make_roles(apps, schema_editor):
    for name in ("Member", "Operator"):
        apps.get_model("auth", "Group").objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
