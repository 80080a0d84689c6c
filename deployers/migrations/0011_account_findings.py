from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployers", "0010_proven_accounts")]

    operations = [
        migrations.AddField(
            model_name="awsaccount",
            name="findings",
            field=models.JSONField(
                blank=True,
                default=dict,
                editable=False,
                help_text="What the last check that passed found; see its service.",
            ),
        ),
    ]
