"""The PostgreSQL outlet: a copy of what is published in a database that other tools open.

The only place that speaks to PostgreSQL. It reads the published file through the locked reader and
never the writer's database.
"""
