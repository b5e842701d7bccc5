"""The closed sets of keys in Render's Blueprint specification (https://render.com/docs/blueprint-spec), as far as a
Blueprint of ours may use them. Render refuses any other key."""

ROOT = {
    "version", "services", "databases", "envVarGroups", "projects", "ungrouped", "previews", "buildSources",
    "previewsEnabled", "previewsExpireAfterDays",
}  # fmt: skip
SERVER = {
    "type", "name", "region", "plan", "runtime", "buildSource", "repo", "branch", "image", "rootDir", "dockerCommand",
    "dockerContext", "dockerfilePath", "numInstances", "healthCheckPath", "scaling", "buildCommand", "startCommand",
    "preDeployCommand", "registryCredential", "domain", "domains", "envVars", "autoDeploy", "autoDeployTrigger",
    "initialDeployHook", "disk", "buildFilter", "previews", "pullRequestPreviewsEnabled", "previewPlan",
    "maintenanceMode", "maxShutdownDelaySeconds", "ipAllowList", "renderSubdomainPolicy",
}  # fmt: skip
KEY_VALUE = {"type", "name", "region", "ipAllowList", "plan", "previewPlan", "maxmemoryPolicy", "persistenceMode"}
GROUP = {"name", "envVars"}
VARIABLES = (
    {"key", "value", "generateValue", "sync", "previewValue"},
    {"key", "fromService"},
    {"key", "fromDatabase"},
    {"fromGroup"},
)
FROM_SERVICE = {"name", "type", "property", "envVarKey"}
SERVICE_PROPERTIES = {"host", "port", "hostport", "slug", "connectionString"}
SERVER_PLANS = {
    "free", "starter", "standard", "pro", "pro plus", "pro max", "pro ultra", "0.5c-512mb", "1c-2g", "2c-4g", "2c-8g",
    "2c-16g", "4c-8g", "4c-16g", "4c-32g", "8c-16g", "8c-32g", "8c-64g", "12c-24g", "12c-48g", "12c-96g",
}  # fmt: skip
KEY_VALUE_PLANS = {
    "free", "starter", "standard", "pro", "pro plus", "pro max", "pro ultra", "256mb", "1g", "3g", "5g", "10g", "20g",
    "40g", "50g",
}  # fmt: skip
