//! A plan as a whole.

use jiff::Timestamp;
use serde_json::Value;

use crate::install::Rehearsed;
use crate::preview::Preview;
use crate::report::view::View;
use crate::report::view::plan::certificate::PlannedCertificate;
use crate::report::view::plan::objects;
use crate::report::view::plan::text::PlanText;

/// A plan to be shown.
#[derive(Debug, Clone, Copy)]
pub struct PlanReport<'p> {
    /// What would happen.
    pub preview: &'p Preview<'p>,
    /// What would be rolled out.
    pub certificate: &'p PlannedCertificate,
    /// How hosts rehearsed, where that was asked for.
    pub rehearsed: Option<&'p [Rehearsed]>,
}

impl View for PlanReport<'_> {
    fn text(&self, verbose: bool) -> String {
        let plan = PlanText { preview: self.preview, certificate: self.certificate };
        let mut text = plan.whole(verbose);
        if let Some(all) = self.rehearsed {
            text.push_str("\n\nrehearsal:");
            text.extend(all.iter().map(|one| format!("\n  {}", one.text(verbose))));
        }
        text
    }

    /// How each host rehearsed, then a line for each host of the schedule, then one for the whole.
    fn objects(&self, time: Timestamp) -> Vec<Value> {
        let rehearsed = self.rehearsed.iter().copied().flatten().flat_map(|one| one.objects(time));
        let hosts = self.preview.plan.schedule.hosts.range().into_iter();
        let hosts = hosts.map(|host| objects::host(self.preview, host, time));
        let whole = std::iter::once_with(|| objects::whole(self.preview, self.certificate, time));
        rehearsed.chain(hosts).chain(whole).collect()
    }
}
