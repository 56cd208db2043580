//! Templates.

use crate::model::settings::{Template, id};
use crate::sending::{self, Ready};
use crate::{Ses, error, message, outbox, template};
use neargate_api_ses as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

/// <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>
const MOST: usize = 20_000;
const MOST_BYTES: usize = 500 << 10;

/// Is it a template that can be rendered?
pub fn check(template: &Template) -> Result<(), AwsError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = &template.name;
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
        return Err(error::invalid_parameter(format!(
            "Invalid template name <{name}>."
        )));
    }
    if template.subject.as_ref().is_none_or(String::is_empty) {
        return Err(error::template_invalid("The subject must be specified."));
    }
    let parts = [&template.subject, &template.text, &template.html];
    let parts: Vec<&String> = parts.into_iter().flatten().collect();
    if parts.iter().map(|p| p.len()).sum::<usize>() > MOST_BYTES {
        return Err(error::limit("The template is larger than 500 KB."));
    }
    for part in parts {
        template::parse(part).map_err(|e| error::rendering(&e))?;
    }
    Ok(())
}

/// Writes a template that there is none of.
pub async fn create(cx: &Ctx, template: &Template) -> Result<(), AwsError> {
    check(template)?;
    let key = db::key::<Template>(&cx.scope, &id(&template.name));
    if cx.db().list::<Template>(&cx.scope).await?.len() >= MOST {
        return Err(error::limit("Too many templates in this account."));
    }
    match cx.db().tx().create(key, template).commit().await? {
        Committed::At(_) => Ok(()),
        Committed::Conflict => Err(error::template_exists(&template.name)),
    }
}

/// Writes the parts of a template that there is.
pub async fn update(cx: &Ctx, parts: &Template) -> Result<(), AwsError> {
    let key = db::key::<Template>(&cx.scope, &id(&parts.name));
    let changed = cx.db().modify::<Template, _>(&key, |there| {
        let new = Template {
            created_at: there.created_at,
            tags: there.tags.clone(),
            ..parts.clone()
        };
        check(&new)?;
        *there = new;
        Ok(true)
    });
    let changed = changed.await?;
    changed
        .map(drop)
        .ok_or_else(|| error::template_missing(&parts.name))
}

/// What is sent of a template with these data, as `TestRenderTemplate` shows it.
pub async fn rendered(cx: &Ctx, name: &str, data: &str) -> Result<String, AwsError> {
    let template = sending::template(cx, name).await?;
    let rendered = Ready::of(&template)?.render(&sending::data(data)?)?;
    let mut written = rendered.written();
    written.from = "sender@example.com".into();
    let host = outbox::host(&cx.scope);
    let id = cx.house.rng.uuid();
    let stamp = message::Stamp {
        id: &id,
        host: &host,
        now: cx.now(),
    };
    let composed = message::compose(&written, stamp);
    let composed = composed.map_err(|e| error::invalid_parameter(e.to_string()))?;
    let text = String::from_utf8_lossy(&composed).into_owned();
    // AWS shows a message without its addresses.
    let lines = text.split_inclusive("\r\n");
    let shown = lines
        .filter(|l| !l.starts_with("From: sender@example.com") && !l.starts_with("From: <sender@"));
    Ok(shown.collect())
}

fn read(given: api::Template, cx: &Ctx) -> Template {
    Template {
        name: given.template_name,
        created_at: cx.now(),
        subject: given.subject_part,
        text: given.text_part,
        html: given.html_part,
        tags: Default::default(),
    }
}

pub async fn create_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateTemplateInput,
) -> Result<api::CreateTemplateOutput, AwsError> {
    create(&cx, &read(input.template, &cx)).await?;
    Ok(api::CreateTemplateOutput {})
}

pub async fn update_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateTemplateInput,
) -> Result<api::UpdateTemplateOutput, AwsError> {
    update(&cx, &read(input.template, &cx)).await?;
    Ok(api::UpdateTemplateOutput {})
}

pub async fn get_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetTemplateInput,
) -> Result<api::GetTemplateOutput, AwsError> {
    let template = sending::template(&cx, &input.template_name).await?.value;
    Ok(api::GetTemplateOutput {
        template: Some(api::Template {
            template_name: template.name,
            subject_part: template.subject,
            text_part: template.text,
            html_part: template.html,
        }),
    })
}

/// What does not exist is as good as deleted.
pub async fn delete_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteTemplateInput,
) -> Result<api::DeleteTemplateOutput, AwsError> {
    let key = db::key::<Template>(&cx.scope, &id(&input.template_name));
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteTemplateOutput {})
}

pub async fn list_templates(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListTemplatesInput,
) -> Result<api::ListTemplatesOutput, AwsError> {
    let size = Size {
        default: 10,
        ..Size::up_to(100)
    };
    let all = cx.db().list::<Template>(&cx.scope).await?;
    let token = input.next_token.as_deref();
    let paged = page(all, token, size.clamp(input.max_items), |t| {
        t.id().to_owned()
    })
    .map_err(|_| error::invalid_token(token.unwrap_or_default()))?;
    let shown = paged.items.into_iter().map(|t| api::TemplateMetadata {
        created_timestamp: Some(t.created_at),
        name: Some(t.value.name),
    });
    Ok(api::ListTemplatesOutput {
        templates_metadata: Some(shown.collect()),
        next_token: paged.next_token,
    })
}

pub async fn test_render_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::TestRenderTemplateInput,
) -> Result<api::TestRenderTemplateOutput, AwsError> {
    let rendered = rendered(&cx, &input.template_name, &input.template_data).await?;
    Ok(api::TestRenderTemplateOutput {
        rendered_template: Some(rendered),
    })
}
