/** `GET /health`: the server answers. */
export function health(): Response {
  return Response.json({ status: "ok" });
}
