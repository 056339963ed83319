/** The package's entry. */
export { buildApp, type AppOptions, type ServiceApp } from './app.js'
export type { EnvOptions } from './config/env-options.js'
export { mcpAuth } from './mcp-auth.js'
export { mcpAuthOptions } from './settings/mcp-auth-options.js'
export type { CredentialWatch, Endpoint, McpAuthOptions, McpOptions } from './chain/options.js'
export type {
  AuthOptions,
  CorsOptions,
  Enrich,
  EnrichContext,
  ErrorsOptions
} from './chain/options.js'
export {
  ConfigError,
  loadConfig,
  type Config,
  type Environment,
  type LoadedConfig,
  type LoadOptions,
  type Problem,
  type Source,
  type VariableName
} from './config/load.js'
export { NotFoundError, PublicToolError, isRefusal, refusals, type Refusal } from './errors.js'
export { KeyStore, type KeyStoreOptions } from './api-keys/followed-file.js'
export { createKnownCredentials } from './principal/known-credentials.js'
export { generateToken, type GenerateTokenOptions } from './tokens/generate.js'
export type { OAuthOptions } from './oauth/settings.js'
export type { EraName } from './mcp/era-router.js'
export type { SessionsOptions } from './mcp/legacy/sessions/sessions.js'
export type { MintPolicy } from './tokens/mint-policy.js'
export type { ToolPolicies, ToolPolicy } from './tools/tool-policies.js'
export type { AccessRule } from './principal/access.js'
// Everything, so that an app can augment `PrincipalAttributes`: an interface exported by name cannot be augmented.
export type * from './principal/attributes.js'
export type * from './tools/app-context.js'
export type { KeyContext, VerifyKey } from './app-keys/app-keys.js'
export type { Enrichment, Identity } from './principal/identity.js'
export type { RequestCaller } from './http/request/request-caller.js'
export type { OwnRole, Principal, Role } from './principal/principal.js'
export { OperatorError } from './lib/operator-error.js'
export { StartError, startServer, type ServerOptions } from './server/start.js'
export {
  definePrompt,
  type Prompt,
  type PromptArguments,
  type PromptDefinition,
  type PromptMessage,
  type PromptResult
} from './tools/prompt.js'
export {
  defineResource,
  type Completer,
  type CompletionContext,
  type FixedResource,
  type Resource,
  type ResourceResult,
  type TemplateResource
} from './tools/resource.js'
export type {
  ElicitAnswer,
  FormAnswer,
  FormRequest,
  SampleAnswer,
  SampleRequest,
  ToolContent,
  ToolSampleAnswer,
  ToolSampleRequest,
  UrlRequest
} from './tools/client-requests.js'
export type { CallContext } from './tools/call-context.js'
export type { Content, JsonSchema } from './tools/content.js'
export { defineApp, type App, type AppCsp, type AppDefinition } from './tools/app.js'
export { defineTool, type Tool, type ToolResult } from './tools/tool.js'
// The types that the types above refer to, so that an app's own declaration files can name them.
export type {
  AuditOptions,
  MetricsOptions,
  OAuthServerSettings,
  OverloadOptions,
  OwnUsersOptions,
  PreauthLimitOptions,
  PrincipalLimitOptions,
  RedisOptions,
  RedisSource,
  UpstreamsOptions
} from './chain/options.js'
export type { ResourceWatch, WatchListener } from './mcp/catalog/changes.js'
export type { CallerFields, PrincipalFields } from './principal/principal.js'
export type { KnownCredentials } from './principal/known-credentials.js'
export type { Claims } from './tokens/claims.js'
export type { NamedIssuer, TokenSettings } from './oauth/settings.js'
export type { Budget, LogLevel } from './tools/call-context.js'
export type { Annotations, Icon, Meta, ResourceContents, Schema } from './tools/content.js'
export type { Item, Output, Returned, ToolAnnotations, ToolDefinition } from './tools/tool.js'
export type { ServerInfo } from './mcp/catalog/catalog.js'
export type { AfterCall, BeforeCall, CallOutcome, HookedCall, HookOptions } from './mcp/calls/call-hooks.js'
export { createTestClient, type ListedTool, type TestClient, type TestToolResult } from './testing/test-client.js'
export type { TestClientError } from './testing/test-client-error.js'
export type { TestNotification } from './testing/speaker.js'
export type { TestClientOptions } from './testing/client-options.js'
export { lintTools, type Directory, type LintFinding, type LintOptions } from './lint/lint.js'
export { version } from './version.js'
