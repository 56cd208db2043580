//! The one task that changes a VPC's namespace. It gathers what is asked while it works into its next
//! round: starting `nft` costs far more than what it changes. When the host has no more to do with the VPC, it
//! keeps the namespace for a while, for to make one takes longer than to start a task, and ends.

use super::super::conntrack;
use super::super::error::NetworkError;
use super::super::netns::{self, Place};
use super::namespace::{self, Made, Work};
use super::{State, Vpcs};
use neargate_base::task::spawn;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The ends of interfaces that are gone, if somebody had it looked for. It comes when the peers, too,
/// have done what this router's last round asked of them.
pub(super) type Answer = Result<Vec<String>, NetworkError>;

/// The most questions in one round.
const BATCH: usize = 256;
/// How long a namespace is kept that has no interface.
const LINGER: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Question {
    /// Look at what there is, instead of counting on what was made.
    look: bool,
    /// Keep no namespace that nobody wants.
    end: bool,
    answer: oneshot::Sender<Answer>,
}

/// The way to a VPC's task.
#[derive(Debug)]
pub(super) struct Handle {
    questions: mpsc::UnboundedSender<Question>,
    is_made: bool,
}

impl Handle {
    /// The namespace is there, with its rules.
    pub(super) fn is_made(&self) -> bool {
        self.is_made
    }

    /// Has it make what is wanted when it comes to it, which is after this.
    pub(super) fn ask(&self, look: bool) -> oneshot::Receiver<Answer> {
        self.send(look, false)
    }

    /// The same, and a namespace that nobody wants goes at once.
    pub(super) fn end(&self) -> oneshot::Receiver<Answer> {
        self.send(false, true)
    }

    fn send(&self, look: bool, end: bool) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        // A task that is gone drops the answer, which tells.
        let _ = self.questions.send(Question { look, end, answer });
        answered
    }
}

/// The VPC's task, which starts if there is none.
pub(super) fn of<'a>(vpcs: &Arc<Vpcs>, state: &'a mut State, vpc_id: &str) -> &'a Handle {
    state.routers.entry(vpc_id.to_owned()).or_insert_with(|| {
        let (questions, inbox) = mpsc::unbounded_channel();
        let router = Router {
            vpcs: Arc::downgrade(vpcs),
            vpc_id: vpc_id.to_owned(),
            made: None,
            addresses: BTreeSet::new(),
            lingers: false,
        };
        spawn("vpc", router.run(inbox));
        Handle {
            questions,
            is_made: false,
        }
    })
}

/// What a round found.
#[derive(Debug, Default)]
struct Outcome {
    lost: Vec<String>,
    /// The peers to be asked to look.
    ask: BTreeSet<String>,
}

struct Router {
    vpcs: Weak<Vpcs>,
    vpc_id: String,
    /// `None`: not known.
    made: Option<Made>,
    /// Whose flows there may be since the last round.
    addresses: BTreeSet<Ipv4Addr>,
    /// The namespace is there, though nobody wants it.
    lingers: bool,
}

impl Router {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Question>) {
        let mut batch = Vec::new();
        loop {
            let patience = if self.lingers { LINGER } else { Duration::MAX };
            let asked = tokio::time::timeout(patience, inbox.recv_many(&mut batch, BATCH)).await;
            let (Some(vpcs), Err(_) | Ok(1..)) = (self.vpcs.upgrade(), &asked) else {
                return;
            };
            let look = batch.iter().any(|q| q.look);
            let is_over = asked.is_err() || batch.iter().any(|q| q.end);
            let done = self.round(&vpcs, look, is_over).await;
            let failed = done.as_ref().err().map(ToString::to_string);
            let mut state = vpcs.state.lock();
            let ask = done.iter().flat_map(|done| &done.ask);
            let ask: Vec<&String> = ask.filter(|id| state.wants(id, &vpcs.site)).collect();
            let ask = ask.into_iter();
            let asked = ask.map(|peer| of(&vpcs, &mut state, peer).ask(true));
            let asked: Vec<_> = asked.collect();
            let answers = batch.drain(..).map(|question| {
                let answer = match (&done, &failed) {
                    (Ok(done), _) => Ok(done.lost.clone()),
                    (Err(_), words) => Err(NetworkError::Vpc {
                        vpc_id: self.vpc_id.clone(),
                        why: words.clone().unwrap_or_default(),
                    }),
                };
                (question.answer, answer)
            });
            send(answers.collect(), asked);
            let is_wanted = self.lingers || state.wants(&self.vpc_id, &vpcs.site);
            if !is_wanted && inbox.is_empty() {
                state.routers.remove(&self.vpc_id);
                return;
            }
        }
    }

    /// `is_over`: a namespace that nobody wants goes now.
    async fn round(
        &mut self,
        vpcs: &Arc<Vpcs>,
        look: bool,
        is_over: bool,
    ) -> Result<Outcome, NetworkError> {
        let (view, peers, is_wanted) = {
            let mut state = vpcs.state.lock();
            let is_wanted = state.wants(&self.vpc_id, &vpcs.site);
            let may_linger = !is_over && self.made.is_some();
            self.lingers = !is_wanted && may_linger && state.may_linger(&self.vpc_id, &vpcs.site);
            let is_wanted = is_wanted || self.lingers;
            if !is_wanted && let Some(handle) = state.routers.get_mut(&self.vpc_id) {
                // In this order: nobody counts on what is being removed.
                handle.is_made = false;
            }
            let view = state.view(&self.vpc_id, &vpcs.site);
            (view, state.told.peers().cloned(), is_wanted)
        };
        let before = self.made.take();
        if !is_wanted {
            let (site, id) = (vpcs.site.clone(), self.vpc_id.clone());
            let gone =
                super::super::blocking(move || namespace::remove(&site, &id, before.as_ref()));
            gone.await?;
            return Ok(Outcome::default());
        }
        let addresses = view.known();
        let work = Work {
            site: vpcs.site.clone(),
            vpc_id: self.vpc_id.clone(),
            view,
            peers,
            before,
            look,
        };
        let done = netns::on_own_thread(move || namespace::ensure(work)).await?;
        self.made = Some(done.made);
        if let Some(handle) = vpcs.state.lock().routers.get_mut(&self.vpc_id) {
            handle.is_made = true;
        }
        let gone: BTreeSet<Ipv4Addr> = self.addresses.difference(&addresses).copied().collect();
        self.addresses = addresses;
        if !gone.is_empty() {
            // The next one who has the address has no part in the flows of this one.
            let forget = move || {
                let failed = NetworkError::link("forget the flows of an interface");
                conntrack::forget(&gone).map_err(failed)
            };
            Place::At(vpcs.namespace(&self.vpc_id)).run(forget).await?;
        }
        Ok(Outcome {
            lost: done.lost,
            ask: done.ask,
        })
    }
}

/// Gives the answers once those who were asked have answered. The router goes on meanwhile: one of
/// them may have to ask it.
fn send(answers: Vec<(oneshot::Sender<Answer>, Answer)>, asked: Vec<oneshot::Receiver<Answer>>) {
    let send = move || {
        for (to, answer) in answers {
            let _ = to.send(answer);
        }
    };
    if asked.is_empty() {
        return send();
    }
    spawn("vpc-peers", async move {
        for peer in asked {
            // What fails there is said to who asks there.
            let _ = peer.await;
        }
        send();
    });
}
