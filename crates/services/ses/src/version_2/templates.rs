//! Email templates.

use super::worded;
use crate::api::templates;
use crate::model::settings::Template;
use crate::{Ses, error, sending};
use neargate_api_sesv2 as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

fn read(cx: &Ctx, name: String, content: api::EmailTemplateContent) -> Template {
    Template {
        name,
        created_at: cx.now(),
        subject: content.subject,
        text: content.text,
        html: content.html,
        tags: Default::default(),
    }
}

pub async fn create_email_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateEmailTemplateInput,
) -> Result<api::CreateEmailTemplateOutput, AwsError> {
    let mut template = read(&cx, input.template_name, input.template_content);
    let pairs = input
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|t| (t.key, t.value));
    template.tags = tags::parse(pairs).map_err(error::tags)?;
    worded(templates::create(&cx, &template).await)?;
    Ok(api::CreateEmailTemplateOutput {})
}

pub async fn update_email_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateEmailTemplateInput,
) -> Result<api::UpdateEmailTemplateOutput, AwsError> {
    let template = read(&cx, input.template_name, input.template_content);
    worded(templates::update(&cx, &template).await)?;
    Ok(api::UpdateEmailTemplateOutput {})
}

pub async fn get_email_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetEmailTemplateInput,
) -> Result<api::GetEmailTemplateOutput, AwsError> {
    let template = worded(sending::template(&cx, &input.template_name).await)?.value;
    let tags = template
        .tags
        .into_iter()
        .map(|(key, value)| api::Tag { key, value });
    Ok(api::GetEmailTemplateOutput {
        template_name: Some(template.name),
        template_content: Some(api::EmailTemplateContent {
            subject: template.subject,
            text: template.text,
            html: template.html,
        }),
        tags: Some(tags.collect()),
    })
}

pub async fn delete_email_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteEmailTemplateInput,
) -> Result<api::DeleteEmailTemplateOutput, AwsError> {
    let there = worded(sending::template(&cx, &input.template_name).await)?;
    let _ = cx.db().tx().delete_key(there.key).commit().await?;
    Ok(api::DeleteEmailTemplateOutput {})
}

pub async fn list_email_templates(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListEmailTemplatesInput,
) -> Result<api::ListEmailTemplatesOutput, AwsError> {
    let size = Size {
        default: 10,
        ..Size::up_to(100)
    };
    let all = cx.db().list::<Template>(&cx.scope).await?;
    let token = input.next_token.as_deref();
    let paged = page(all, token, size.clamp(input.page_size), |t| {
        t.id().to_owned()
    })
    .map_err(|_| error::next_token_invalid())?;
    let shown = paged.items.into_iter().map(|t| api::EmailTemplateMetadata {
        created_timestamp: Some(t.created_at),
        template_name: Some(t.value.name),
    });
    Ok(api::ListEmailTemplatesOutput {
        templates_metadata: Some(shown.collect()),
        next_token: paged.next_token,
    })
}

pub async fn test_render_email_template(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::TestRenderEmailTemplateInput,
) -> Result<api::TestRenderEmailTemplateOutput, AwsError> {
    let rendered = templates::rendered(&cx, &input.template_name, &input.template_data).await;
    Ok(api::TestRenderEmailTemplateOutput {
        rendered_template: Some(worded(rendered)?),
    })
}
