//! The admin server: `/health`, `/ready` and `/metrics` on an address of its own, out of clients' reach.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::allocator;
use crate::health::Health;
use crate::telemetry::PrometheusHandle;

/// The routes every admin port has. A binary merges its own into them; serve them with [`serve`].
pub fn router(health: &Health, metrics: PrometheusHandle) -> Router {
    let render = move || {
        allocator::report();
        let text = metrics.render();
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
    };
    health.admin_routes().route("/metrics", get(render))
}

/// Serves the admin port until the token is cancelled. Its connections are not counted as clients'.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    crate::http::serve_uncounted(listener, router, shutdown).await;
}
