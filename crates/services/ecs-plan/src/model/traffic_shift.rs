//! Deployments that bring up the new revision beside the old one and shift traffic to it
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html>).

use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};

/// All of the traffic, in tenths of a percent.
pub const ALL: u32 = 1_000;

/// What a strategy other than ROLLING asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftRules {
    pub steps: Steps,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<PauseHook>,
}

/// How production traffic is shifted. Shares are in tenths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Steps {
    /// BLUE_GREEN.
    AllAtOnce,
    Linear {
        step: u32,
        bake_minutes: u32,
    },
    Canary {
        share: u32,
        bake_minutes: u32,
    },
}

impl Steps {
    /// The share after `share`.
    pub fn next(self, share: u32) -> u32 {
        match self {
            Steps::Linear { step, .. } => (share + step).min(ALL),
            Steps::Canary { share: first, .. } if share < first => first,
            Steps::AllAtOnce | Steps::Canary { .. } => ALL,
        }
    }

    /// Minutes between two steps.
    pub fn bake_minutes(self) -> u32 {
        match self {
            Steps::AllAtOnce => 0,
            Steps::Linear { bake_minutes, .. } | Steps::Canary { bake_minutes, .. } => bake_minutes,
        }
    }
}

/// A lifecycle hook that holds the deployment until a caller continues it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseHook {
    pub stages: Vec<HookStage>,
    pub timeout_minutes: u32,
    pub timeout_action: HookAction,
}

/// A `DeploymentLifecycleHookStage` at which a deployment can pause, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HookStage {
    ReconcileService,
    PreScaleUp,
    PostScaleUp,
    PostTestTrafficShift,
    /// Before each step.
    PreProductionTrafficShift,
    PostProductionTrafficShift,
}

impl HookStage {
    pub const ALL: [HookStage; 6] = [
        HookStage::ReconcileService,
        HookStage::PreScaleUp,
        HookStage::PostScaleUp,
        HookStage::PostTestTrafficShift,
        HookStage::PreProductionTrafficShift,
        HookStage::PostProductionTrafficShift,
    ];

    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            HookStage::ReconcileService => "RECONCILE_SERVICE",
            HookStage::PreScaleUp => "PRE_SCALE_UP",
            HookStage::PostScaleUp => "POST_SCALE_UP",
            HookStage::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            HookStage::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
            HookStage::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
        }
    }
}

/// What becomes of a paused deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HookAction {
    Continue,
    Rollback,
}

impl HookAction {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            HookAction::Continue => "CONTINUE",
            HookAction::Rollback => "ROLLBACK",
        }
    }
}

/// `ServiceDeploymentLifecycleStage`, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Tasks of revisions that are neither the old nor the new one go.
    ReconcileService,
    PreScaleUp,
    ScaleUp,
    PostScaleUp,
    TestTrafficShift,
    PostTestTrafficShift,
    ProductionTrafficShift,
    PostProductionTrafficShift,
    BakeTime,
    CleanUp,
}

impl Stage {
    /// AWS's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::ReconcileService => "RECONCILE_SERVICE",
            Stage::PreScaleUp => "PRE_SCALE_UP",
            Stage::ScaleUp => "SCALE_UP",
            Stage::PostScaleUp => "POST_SCALE_UP",
            Stage::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            Stage::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            Stage::ProductionTrafficShift => "PRODUCTION_TRAFFIC_SHIFT",
            Stage::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            Stage::BakeTime => "BAKE_TIME",
            Stage::CleanUp => "CLEAN_UP",
        }
    }

    /// The stage after this one; the last one stays.
    pub fn next(self) -> Stage {
        match self {
            Stage::ReconcileService => Stage::PreScaleUp,
            Stage::PreScaleUp => Stage::ScaleUp,
            Stage::ScaleUp => Stage::PostScaleUp,
            Stage::PostScaleUp => Stage::TestTrafficShift,
            Stage::TestTrafficShift => Stage::PostTestTrafficShift,
            Stage::PostTestTrafficShift => Stage::ProductionTrafficShift,
            Stage::ProductionTrafficShift => Stage::PostProductionTrafficShift,
            Stage::PostProductionTrafficShift => Stage::BakeTime,
            Stage::BakeTime | Stage::CleanUp => Stage::CleanUp,
        }
    }

    /// The hooks that are waited for when the stage's own work is done.
    pub fn hook(self) -> Option<HookStage> {
        match self {
            Stage::ReconcileService => Some(HookStage::ReconcileService),
            Stage::PreScaleUp => Some(HookStage::PreScaleUp),
            Stage::PostScaleUp => Some(HookStage::PostScaleUp),
            Stage::PostTestTrafficShift => Some(HookStage::PostTestTrafficShift),
            Stage::PostProductionTrafficShift => Some(HookStage::PostProductionTrafficShift),
            Stage::ScaleUp
            | Stage::TestTrafficShift
            | Stage::ProductionTrafficShift
            | Stage::BakeTime
            | Stage::CleanUp => None,
        }
    }
}

/// How far a deployment that shifts traffic is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftStatus {
    pub stage: Stage,
    pub entered_at: Timestamp,
    /// The new revision's share of production traffic, as its load balancers were told last; `None`:
    /// they were told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<u32>,
    /// When they were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted_at: Option<Timestamp>,
    /// Why traffic cannot be shifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookRun>,
}

impl ShiftStatus {
    pub fn new(stage: Stage, at: Timestamp) -> ShiftStatus {
        ShiftStatus {
            stage,
            entered_at: at,
            production: None,
            test: None,
            shifted_at: None,
            refused: None,
            hooks: Vec::new(),
        }
    }
}

/// A hook that was come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// What callers name it by.
    pub id: String,
    pub stage: HookStage,
    /// Which of the deployment's hooks.
    pub nth: usize,
    /// The share of production traffic that it stands before.
    pub share: u32,
    pub expires_at: Timestamp,
    pub timeout_action: HookAction,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<HookEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HookEnd {
    Answered(HookAction),
    TimedOut,
}

/// What a caller of `ContinueServiceDeployment` said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookAnswer {
    pub hook_id: String,
    pub action: HookAction,
}
