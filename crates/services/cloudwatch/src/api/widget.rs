//! `GetMetricWidgetImage`.

use super::data::{bounded, results};
use crate::query::{self, Query, Run};
use crate::widget::asked::{self, Bad};
use crate::widget::chart;
use crate::{CloudWatch, error};
use neargate_api_cloudwatch as api;
use neargate_base::task;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// "The maximum number of metrics" of a picture.
const MOST: usize = 100;

pub async fn get_metric_widget_image(
    cloudwatch: Arc<CloudWatch>,
    cx: Ctx,
    input: api::GetMetricWidgetImageInput,
) -> Result<api::GetMetricWidgetImageOutput, AwsError> {
    match input.output_format.as_deref() {
        None | Some("" | "png") => {}
        Some("image/png") => {
            return Err(AwsError::not_implemented(
                "cloudwatch",
                "answers that are a picture and nothing else (OutputFormat image/png)",
            ));
        }
        Some(other) => return Err(error::not_supported("OutputFormat", other)),
    }
    let now = cx.now();
    let widget = asked::read(&input.metric_widget, now).map_err(|bad| match bad {
        Bad::Wrong(why) => error::validation(why),
        Bad::NotBuilt(what) => AwsError::not_implemented("cloudwatch", what),
    })?;
    if widget.queries.len() > MOST {
        return Err(error::validation(format!(
            "A widget can have {MOST} metrics at the most."
        )));
    }
    let queries = query::check(&cx.scope, "metrics", &widget.queries)?;
    let shortest = queries.iter().filter_map(Query::period).min().unwrap_or(60);
    let window = query::window(widget.start, widget.end, shortest, now);
    bounded(&queries, window)?;
    let mut all = {
        let state = cloudwatch.engine.state();
        let mut run = Run::new(&state, &cx.scope, &queries, window, now);
        results(&mut run, &queries)?
    };
    all.truncate(MOST);
    let drawn = task::spawn_blocking(move || chart::draw(&widget, &all)).await;
    let drawn = drawn.map_err(AwsError::internal)?;
    let picture = drawn.map_err(AwsError::internal)?;
    Ok(api::GetMetricWidgetImageOutput {
        metric_widget_image: Some(picture.into()),
    })
}
