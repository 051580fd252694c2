/** What is imported of undici by its file: the package's entry brings a browser's whole network, and a tenth of a second. */
declare module "undici/lib/dispatcher/env-http-proxy-agent.js" {
  import { EnvHttpProxyAgent } from "undici";
  export default EnvHttpProxyAgent;
}
