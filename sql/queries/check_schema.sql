-- Every stored column beside its declaration.
--
-- relations, columns, types: the declarations, three lists of one length

with
declared as (
    select
        unnest($relations::varchar[]) as relation,
        unnest($columns::varchar[]) as column_name,
        unnest($types::varchar[]) as declared_type,
),

stored as (
    select
        schema_name || '.' || table_name as relation,
        column_name,
        data_type as stored_type,
    from duckdb_columns()
    where database_name = current_catalog()
)

select
    relation,
    column_name,
    coalesce(stored_type, 'missing') as stored_type,
    coalesce(declared_type, 'not declared') as declared_type,
from declared
left join stored using (relation, column_name)
