use throughline_core::{Decision, MatchedRule};
use throughline_rules::{Rule, Url, first_match};

use super::gate::Policy;

/// The policy of rules, which live as long as the program, as their texts on the command line do.
///
/// The first allow rule that matches lets a request out; what none matches is denied.
#[derive(Debug, Default)]
pub(crate) struct RulePolicy {
    pub(crate) allow: Vec<Rule<'static>>,
    pub(crate) inject: Vec<Rule<'static>>,
    /// Hosts whose tunnels are not read.
    pub(crate) pinned: Vec<Rule<'static>>,
}

impl Policy for RulePolicy {
    fn decide(&self, method: &str, url: &Url<'_>) -> Decision<'_> {
        first_match(&self.allow, method, url)
            .and_then(|(_, rule)| MatchedRule::new(rule.as_str()))
            .map_or(Decision::Denied(NO_RULE), Decision::Allowed)
    }

    fn decide_host(&self, url: &Url<'_>) -> Decision<'_> {
        let rule = self.allow.iter().find(|rule| rule.matches_host(url));
        rule.and_then(|rule| MatchedRule::new(rule.as_str()))
            .map_or(Decision::Denied(NO_RULE), Decision::Allowed)
    }

    fn is_pinned(&self, url: &Url<'_>) -> bool {
        self.pinned.iter().any(|rule| rule.matches_host(url))
    }

    fn injects(&self, method: &str, url: &Url<'_>) -> bool {
        first_match(&self.inject, method, url).is_some()
    }
}

const NO_RULE: &str = "no rule allows it";
