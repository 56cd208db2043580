//! Pictures of metrics (`GetMetricWidgetImage`): [`asked`] is what a widget's JSON asks for, [`chart`] lays it out
//! on a [`canvas`], which becomes a PNG. Pure; what is drawn has been computed elsewhere.

pub mod asked;
mod canvas;
pub mod chart;
