//! Writing a service's status with its events.

use crate::fleet::ServiceId;
use crate::model::{Service, ServiceEvent, ServiceStatus};
use neargate_service::db::{Committed, Tx};
use neargate_service::{AwsError, House, Stored};

/// A service that is written again and again: each write finds the one before.
#[derive(Debug)]
pub struct Journal {
    pub id: ServiceId,
    /// What its events call it: the service's name, and the task set's where there are some.
    pub who: String,
    /// The capacity providers that the next events are about.
    pub providers: Vec<String>,
    /// As this journal wrote it last.
    pub read: Stored<Service>,
}

impl Journal {
    pub fn new(id: ServiceId, read: Stored<Service>) -> Journal {
        let who = id.name.clone();
        Journal {
            id,
            who,
            providers: Vec::new(),
            read,
        }
    }

    /// `tx`, and the service with this status and these events besides.
    pub fn write(
        &self,
        house: &House,
        mut tx: Tx,
        status: &ServiceStatus,
        events: &[String],
    ) -> (Tx, Service) {
        let mut service = self.read.value.clone();
        service.status = status.clone();
        for message in events {
            let number = service.status.next_event;
            let event = ServiceEvent {
                number,
                id: house.rng.uuid(),
                at: house.now(),
                message: message.clone(),
                providers: self.providers.clone(),
            };
            tx = tx.put(ServiceEvent::key(&self.id, number), &event);
            service.status.next_event += 1;
        }
        (tx.update(&self.read, &service), service)
    }

    /// The transaction of [`Journal::write`] is over; false when somebody else wrote first.
    pub fn wrote(&mut self, committed: Committed, service: Service) -> bool {
        match committed {
            Committed::At(revision) => {
                self.read.revision = revision;
                self.read.value = service;
                true
            }
            Committed::Conflict => false,
        }
    }

    /// The status and its events, alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn record(
        &mut self,
        house: &House,
        status: &ServiceStatus,
        events: &[String],
    ) -> Result<bool, AwsError> {
        let (tx, service) = self.write(house, house.db.tx(), status, events);
        let committed = tx.commit().await?;
        Ok(self.wrote(committed, service))
    }
}
