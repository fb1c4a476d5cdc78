import { plainText, type Route } from './route.js'

export interface MetricsText {
  readonly contentType: string
  read(): Promise<string>
}

/** For Prometheus, whose own path it is. */
export const metricsPath = '/metrics'

export function metricsRoutes({ metrics }: { readonly metrics: MetricsText }): Route[] {
  return [
    {
      id: 'metrics',
      method: 'get',
      path: metricsPath,
      access: 'admin:read',
      summary: 'Metrics for Prometheus, by Basic or by a token with admin:read.',
      answers: { 200: plainText },
      async handler() {
        const text = await metrics.read()
        return { status: 200, text, headers: { 'content-type': metrics.contentType } }
      },
    },
  ]
}
