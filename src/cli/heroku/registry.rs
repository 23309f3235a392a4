//! The registry of Heroku's apps, as `container:release` and `container:promote` need it.

use crate::cli::push;
use crate::cli::session::Session;
use crate::platform::PlatformError;
use crate::platform::heroku::Hosted;
use crate::platform::push::AppImages;

pub(super) fn of(session: &Session, _hosted: &Hosted) -> Result<AppImages, PlatformError> {
    push::images(session)
}
