import { servicesApart } from '../shared/config.ts'
import { answer } from '../shared/http/answer.ts'
import { publicEndpoint } from '../shared/http/endpoint.ts'
import { openApiDocument } from '../shared/http/openapi.ts'

const document = openApiDocument({ servicesApart: servicesApart() })

/** `GET /v1/openapi.json`: how to call this API, to anyone. */
export const handler = publicEndpoint(async () => answer(200, document))
