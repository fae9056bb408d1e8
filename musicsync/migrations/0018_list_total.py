from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("musicsync", "0017_times_of_known_pages"),
    ]

    operations = [
        migrations.AddField(
            model_name="knownpage",
            name="total",
            field=models.IntegerField(help_text="Items of the list that it is a page of, by its answer.", null=True),
        ),
    ]
