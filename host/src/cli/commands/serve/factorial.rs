//! The service of factorials.

use cocoon::http::factorial::{Service, app};
use cocoon::http::server::Access;
use cocoon::limits::Limit;
use cocoon::worlds::factorial::Factorial;

use super::admin::AdminSocket;
use super::{Prepared, Serve};
use crate::cli::code_args::show_compiling;
use crate::cli::failure::Failure;

impl Serve {
    /// Loads the component of factorials.
    pub(super) async fn prepare_factorial(
        &self,
        access: &Access,
        admin: Option<AdminSocket>,
    ) -> Result<Prepared, Failure> {
        let engine = self.code.engine(&self.limits.limits, u64::MAX)?;
        let component = self.component.as_ref();
        let source = self
            .registries
            .source(component, &self.limits.limits)
            .await?;
        let factorial = show_compiling(&engine, Factorial::load(&engine, &source)).await?;
        let most = engine.limits().bytes(Limit::ComponentSize);
        let digest = source.digest(most).await?;
        let sandboxes = factorial.sandboxes();
        let limits = engine.limits().clone();
        let service = Service::new(factorial, digest, !access.is_open());
        let admin = self.start_admin(admin, service.server(), None)?;
        Ok(Prepared {
            engine,
            server: service.server().clone(),
            router: Box::new(move |probes, access| app(&service, probes, access)),
            admin,
            sandboxes: sandboxes.into(),
            limits,
            #[cfg(feature = "compiler")]
            loader: None,
        })
    }
}
