-- Skill of models at the newest midnight before some hours, over the longest window scored.
--
-- hours: which hours
-- assets: which assets; null for all
-- providers, null_models: which models, held against which null models
--
-- Grain: asset, hour, provider, null_model

with
wanted as (
    select unnest($hours::timestamp[]) as hour
),

scored as (
    select
        wanted.hour,
        skill.asset,
        skill.as_of,
        skill.provider,
        skill.null_model,
        skill.window_days,
        skill.deviance_removed_ratio,
        skill.deviance_removed_low_ratio,
        skill.deviance_removed_high_ratio,
        skill.is_lower_bound,
        skill.is_short_fit,
        skill.reason,
    from wanted
    inner join marts.estimator_skill_daily as skill
        on
            wanted.hour >= skill.as_of
            and wanted.hour - interval 3 days < skill.as_of
    where
        list_contains($providers::varchar[], skill.provider)
        and list_contains($null_models::varchar[], skill.null_model)
        and ($assets::varchar[] is null or list_contains($assets::varchar[], skill.asset))
    qualify row_number() over (
        partition by wanted.hour, skill.asset, skill.provider, skill.null_model
        order by skill.as_of desc, skill.status = 'scored' desc, skill.window_days desc
    ) = 1
)

select
    asset,
    epoch_us(hour) as hour,
    '' as key,
    provider,
    null_model,
    window_days,
    deviance_removed_ratio,
    deviance_removed_low_ratio,
    deviance_removed_high_ratio,
    is_lower_bound,
    is_short_fit,
    epoch(hour - as_of) as skill_age_seconds,
    reason as unknown_reason,
from scored
order by asset, hour, key, provider, null_model
