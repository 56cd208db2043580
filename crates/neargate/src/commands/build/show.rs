//! A build's progress as BuildKit shows it plainly: a number for each step, and its time.

use neargate_base::time::Stopwatch;
use neargate_node::build::{Event, Progress};
use std::sync::Mutex;
use std::sync::PoisonError;

/// Lines on standard error.
#[derive(Debug, Default)]
pub struct Plain(Mutex<Step>);

#[derive(Debug, Default)]
struct Step {
    number: usize,
    watch: Option<Stopwatch>,
    is_cached: bool,
}

impl Progress for Plain {
    fn tell(&self, event: Event) {
        let mut step = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = step
            .watch
            .as_ref()
            .map_or(0.0, |w| w.elapsed().as_secs_f64());
        let number = step.number;
        match event {
            Event::Step {
                place,
                text,
                number,
                ..
            } => {
                *step = Step {
                    number,
                    watch: Some(Stopwatch::start()),
                    is_cached: false,
                };
                tell!("#{number} {place} {text}");
            }
            Event::Cached => {
                step.is_cached = true;
                tell!("#{number} CACHED");
            }
            Event::Output { line, .. } => tell!("#{number} {seconds:.3} {line}"),
            Event::Done if step.is_cached => {}
            Event::Done => tell!("#{number} DONE {seconds:.1}s"),
            Event::Note(note) => tell!("#{number} {note}"),
            Event::Built { id, .. } => tell!("built {id}"),
        }
    }
}
