import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('deployers', '0003_initial'),
        ('teams', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='operation',
            name='team',
            field=models.ForeignKey(default=None, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='teams.team'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='operation',
            name='target',
            field=models.CharField(blank=True, help_text='Name of the integration.', max_length=128),
        ),
        migrations.AddField(
            model_name='operation',
            name='step_started_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='operation',
            name='cancel_requested',
            field=models.BooleanField(default=False, help_text='Stop at the next safe point.'),
        ),
        migrations.AlterField(
            model_name='stack',
            name='parameters_digest',
            field=models.CharField(blank=True, help_text='Keyed, of the secret parameters last applied.', max_length=64),
        ),
    ]
