//! What the dynos of an app share, and what is left of its earlier runs.

use super::error::{self, told};
use super::{Shared, labels};
use crate::clock::Clock;
use crate::engine::{EngineError, RunIdentity, Swept};
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Removals of our own that are under way get this long.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(20);
/// How often, and at what pace, something that is just being let go is asked for again.
const RETRIES: usize = 20;
const RETRY: Duration = Duration::from_millis(200);
/// The engine takes so many requests at once without getting slower.
const AT_ONCE: usize = 8;

/// Makes the app's network, where dynos do not see one another.
pub(super) async fn open_run(shared: &Shared, run: &RunIdentity) -> Result<(), EngineError> {
    let name = labels::network(&run.identity);
    let doing = format!("making the network {name}");
    if shared.docker.inspect_network(&name, None).await.is_ok() {
        return Ok(());
    }
    // Podman refuses options it does not know.
    let icc = shared.abilities.isolates.then_some(("com.docker.network.bridge.enable_icc", "false"));
    let request = NetworkCreateRequest {
        name,
        driver: Some("bridge".to_owned()),
        options: Some(icc.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        labels: Some(labels::of_run(run)),
        ..NetworkCreateRequest::default()
    };
    match shared.docker.create_network(request).await {
        Ok(_) => Ok(()),
        // Another run of the app was quicker.
        Err(error) if error::status(&error) == Some(409) => Ok(()),
        Err(error) => Err(told(&doing, &error)),
    }
}

/// Removes what belongs to runs that are over.
pub(super) async fn sweep(shared: &Shared, identity: &str, live: &[String]) -> Result<Swept, EngineError> {
    settle(shared).await;
    let containers = sweep_containers(shared, identity, live).await?;
    let volumes = sweep_volumes(shared, identity, live).await?;
    // A run that lives uses the network.
    let networks = if live.is_empty() { sweep_networks(shared, identity).await? } else { 0 };
    shared.files.forget_runs(identity, live);
    Ok(Swept { containers, volumes, networks, ..Swept::default() })
}

/// Waits for removals under way.
async fn settle(shared: &Shared) {
    shared.cleanups.close();
    // What is not done by then is found by its label.
    let _ = timeout(CLEANUP_PATIENCE, shared.cleanups.wait()).await;
    shared.cleanups.reopen();
}

fn is_over(labels: &HashMap<String, String>, live: &[String]) -> bool {
    labels.get(labels::RUN).is_none_or(|run| !live.contains(run))
}

async fn sweep_containers(shared: &Shared, identity: &str, live: &[String]) -> Result<usize, EngineError> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(&labels::filter(identity)).build();
    let doing = "listing containers of earlier runs";
    let list = shared.docker.list_containers(Some(options)).await.map_err(|error| told(doing, &error))?;
    let over = list.into_iter().filter(|one| one.labels.as_ref().is_some_and(|labels| is_over(labels, live)));
    let mut ids: Vec<String> = over.filter_map(|one| one.id).collect();
    ids.extend(stale_probes(shared).await?);
    let removals = stream::iter(ids).map(|id| async move {
        let removed = remove_whole(shared, &id).await;
        gone("removing a container of an earlier run", removed)
    });
    count(removals.buffer_unordered(AT_ONCE)).await
}

/// Containers that were to be looked into by somebody who was killed meanwhile: no such look takes a minute.
async fn stale_probes(shared: &Shared) -> Result<Vec<String>, EngineError> {
    const STALE_SECONDS: i64 = 60;
    let filter = HashMap::from([("label".to_owned(), vec![labels::PROBE.to_owned()])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
    let doing = "listing containers of earlier runs";
    let list = shared.docker.list_containers(Some(options)).await.map_err(|error| told(doing, &error))?;
    let now = Clock::system().now().unix_timestamp();
    let stale = list.into_iter().filter(|one| one.created.is_some_and(|made| now - made > STALE_SECONDS));
    Ok(stale.filter_map(|one| one.id).collect())
}

/// Removes a container; one that somebody else is removing is waited for, since it holds on to network and volumes.
async fn remove_whole(shared: &Shared, id: &str) -> Result<(), bollard::errors::Error> {
    let removed = shared.remove(id).await;
    if removed.as_ref().is_err_and(|error| error::status(error) == Some(409)) {
        for _ in 0..RETRIES {
            if shared.docker.inspect_container(id, None).await.is_err() {
                break;
            }
            sleep(RETRY).await;
        }
    }
    removed
}

async fn sweep_volumes(shared: &Shared, identity: &str, live: &[String]) -> Result<usize, EngineError> {
    let options = ListVolumesOptionsBuilder::new().filters(&labels::filter(identity)).build();
    let doing = "listing volumes of earlier runs";
    let list = shared.docker.list_volumes(Some(options)).await.map_err(|error| told(doing, &error))?;
    let over = list.volumes.unwrap_or_default().into_iter().filter(|one| is_over(&one.labels, live));
    let removals = stream::iter(over).map(|one| async move {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        gone("removing a volume of an earlier run", shared.docker.remove_volume(&one.name, Some(options)).await)
    });
    count(removals.buffer_unordered(AT_ONCE)).await
}

async fn sweep_networks(shared: &Shared, identity: &str) -> Result<usize, EngineError> {
    let options = ListNetworksOptionsBuilder::new().filters(&labels::filter(identity)).build();
    let doing = "listing networks of earlier runs";
    let list = shared.docker.list_networks(Some(options)).await.map_err(|error| told(doing, &error))?;
    let removals = stream::iter(list.into_iter().filter_map(|one| one.id)).map(|id| async move {
        let mut removed = shared.docker.remove_network(&id).await;
        for _ in 0..RETRIES {
            // A container that was just removed may still be leaving it.
            if !removed.as_ref().is_err_and(|error| error::words(error).contains("active endpoints")) {
                break;
            }
            sleep(RETRY).await;
            removed = shared.docker.remove_network(&id).await;
        }
        gone("removing the network of an earlier run", removed)
    });
    count(removals.buffer_unordered(AT_ONCE)).await
}

/// Removed now; or not there, or in somebody's hands, which is as good.
fn gone(doing: &str, removed: Result<(), bollard::errors::Error>) -> Result<bool, EngineError> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if matches!(error::status(&error), Some(403 | 404 | 409)) => Ok(false),
        Err(error) => Err(told(doing, &error)),
    }
}

/// How many were removed; every one is tried before the first error is told.
async fn count(removals: impl futures_util::Stream<Item = Result<bool, EngineError>>) -> Result<usize, EngineError> {
    let results: Vec<Result<bool, EngineError>> = removals.collect().await;
    let mut removed = 0;
    for result in results {
        removed += usize::from(result?);
    }
    Ok(removed)
}
