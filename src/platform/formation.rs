//! The dynos that run, and the router's table that follows them.

use super::deploy::Ground;
use super::slate::Slate;
use crate::dyno::{Dyno, DynoStatus, StopKind};
use crate::model::dyno::{DynoKind, DynoName, DynoState};
use crate::model::formation::Formation;
use crate::model::release::Release;
use crate::router::table::{Backend, Table};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The running formation.
pub struct Running {
    dynos: BTreeMap<DynoName, Dyno>,
    followers: Vec<JoinHandle<()>>,
}

/// What a table is made of: pure, so that the router never sees a half-made one.
pub type TableOf = Arc<dyn Fn(Vec<Backend>) -> Table + Send + Sync>;

impl Running {
    /// Starts every dyno of the formation, all at once.
    pub fn start(
        ground: &Ground,
        slate: &Slate,
        formation: &Formation,
        release: &Release,
        table: &Arc<watch::Sender<Arc<Table>>>,
        table_of: &TableOf,
    ) -> Self {
        let mut dynos = BTreeMap::new();
        for (process_type, scale) in formation {
            let Some(runnable) = slate.types.get(process_type) else { continue };
            for number in 1..=scale.quantity {
                let name = DynoName::new(process_type.clone(), number);
                let plan = ground.plan(name.clone(), DynoKind::Formation, scale.size, runnable, release);
                dynos.insert(name, Dyno::start(plan));
            }
        }
        let web: Vec<(DynoName, watch::Receiver<DynoStatus>)> = dynos
            .iter()
            .filter(|(name, _)| name.process_type.is_web())
            .map(|(name, dyno)| (name.clone(), dyno.status()))
            .collect();
        publish(&web, table, table_of);
        let followers = web
            .iter()
            .map(|(_, status)| {
                let (mut status, web) = (status.clone(), web.clone());
                let (table, table_of) = (Arc::clone(table), Arc::clone(table_of));
                tokio::spawn(async move {
                    while status.changed().await.is_ok() {
                        status.borrow_and_update();
                        publish(&web, &table, &table_of);
                    }
                })
            })
            .collect();
        Self { dynos, followers }
    }

    /// The states of all dynos now.
    pub fn statuses(&self) -> Vec<(DynoName, DynoStatus)> {
        self.dynos.iter().map(|(name, dyno)| (name.clone(), dyno.status().borrow().clone())).collect()
    }

    /// Waits until every dyno has been up once.
    pub async fn all_up(&self) {
        join_all(self.dynos.values().map(|dyno| {
            let mut status = dyno.status();
            async move {
                // A sender that is gone belongs to a dyno that has ended; it will never be up.
                let _ = status.wait_for(|status| status.state == DynoState::Up || status.ended).await;
            }
        }))
        .await;
    }

    /// Stops every dyno, side by side, and waits until all have ended. `force` kills what is left.
    pub async fn stop(self, force: impl Future<Output = ()>) {
        for dyno in self.dynos.values() {
            dyno.stop(StopKind::Down);
        }
        let mut waits: Vec<watch::Receiver<DynoStatus>> = self.dynos.values().map(Dyno::status).collect();
        let ended = join_all(waits.iter_mut().map(|status| status.wait_for(|status| status.ended)));
        tokio::pin!(ended);
        tokio::select! {
            _ = &mut ended => {}
            () = force => {
                for dyno in self.dynos.values() {
                    dyno.kill();
                }
                ended.await;
            }
        }
        for dyno in self.dynos.into_values() {
            dyno.ended().await;
        }
        for follower in self.followers {
            follower.abort();
        }
    }
}

fn publish(web: &[(DynoName, watch::Receiver<DynoStatus>)], table: &watch::Sender<Arc<Table>>, table_of: &TableOf) {
    // Made inside the channel's lock: two dynos that change at once cannot publish an older picture over a newer one.
    table.send_modify(|current| {
        let backends = web
            .iter()
            .filter_map(|(name, status)| {
                let status = status.borrow();
                (!status.stopping && !status.ended).then(|| Backend {
                    name: name.clone(),
                    generation: status.generation,
                    state: status.state,
                    endpoint: status.endpoint.clone(),
                })
            })
            .collect();
        *current = Arc::new(table_of(backends));
    });
}
