import { describe, expect, it } from "vitest";
import { Api, ApiError } from "../src/api";

function server(status: number, body: unknown, type = "application/json") {
  const seen: { path: string; init: RequestInit | undefined }[] = [];
  const send = (path: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    seen.push({ path: path as string, init });
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers: { "content-type": type } }));
  };
  return { api: new Api(send), seen };
}

const NEW = { recipient: "Ali", pickup: "Hamra 1", dropoff: "Verdun 2", weight_kg: 3 };

describe("requests", () => {
  it("creates a delivery", async () => {
    const { api, seen } = server(201, { id: 7 });
    expect((await api.createDelivery(NEW)).id).toBe(7);
    expect(seen[0]?.path).toBe("/api/v1/deliveries");
    expect(seen[0]?.init?.method).toBe("POST");
    expect(JSON.parse(seen[0]?.init?.body as string)).toEqual(NEW);
  });

  it("escapes the cursor of a page", async () => {
    const { api, seen } = server(200, { items: [], next: null });
    await api.vehicles("a&b");
    expect(seen[0]?.path).toBe("/api/v1/vehicles?cursor=a%26b");
  });
});

describe("failures say what to show", () => {
  const problem = "application/problem+json";
  it.each([
    [409, { detail: "the vehicle is retired" }, problem, "the vehicle is retired"],
    [422, { errors: [{ field: "weight_kg", message: "must be from 1 to 44000" }] }, problem, "weight_kg must be from 1 to 44000"],
    [502, "<html>", "text/html", "The server answered 502."],
  ])("%i", async (status, body, type, expected) => {
    const { api } = server(status, body, type);
    const failure = await api.createDelivery(NEW).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ApiError);
    expect((failure as ApiError).message).toBe(expected);
    expect((failure as ApiError).status).toBe(status);
  });

  it("no server", async () => {
    const api = new Api(() => Promise.reject(new TypeError("refused")));
    await expect(api.deliveries()).rejects.toThrow("The server cannot be reached");
  });
});
