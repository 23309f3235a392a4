//! What is wanted of a registry here: which image a tag names, and a copy from one app to another.

use crate::model::image::ImageId;
use crate::model::process_type::ProcessType;
use crate::platform::push::PushError;
use async_trait::async_trait;

/// The registry of Heroku's apps, or one like it.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The config digest of `APP/TYPE:latest`, which is what Heroku releases (R1.1, R1.2); `None` when there is none.
    async fn latest(&self, app: &str, process_type: &ProcessType) -> Result<Option<ImageId>, PushError>;

    /// Makes `TO/TYPE:latest` the very manifest that `FROM/TYPE:latest` is, for each of these images, without sending what the
    /// registry has. No tag is set before all of every image is there, nor when `FROM` has another image by now.
    async fn copy(&self, from: &str, to: &str, images: &[(ProcessType, ImageId)]) -> Result<(), PushError>;
}
