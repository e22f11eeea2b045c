// The API's client: types as the server's OpenAPI file has them, and one function a request. Every failure becomes an
// ApiError with a text that can be shown. Knows nothing of the page.

export type DeliveryStatus = "created" | "assigned" | "picked_up" | "delivered" | "cancelled" | "failed";

export interface Vehicle {
  id: number;
  plate: string;
  kind: "bicycle" | "van" | "truck";
  capacity_kg: number;
  status: "active" | "maintenance" | "retired";
}

export interface Courier {
  id: number;
  name: string;
  status: "on_duty" | "off_duty";
}

export interface Delivery {
  id: number;
  recipient: string;
  pickup: string;
  dropoff: string;
  weight_kg: number;
  status: DeliveryStatus;
  next: DeliveryStatus[];
  note: string | null;
  assignment: { id: number; courier_id: number; vehicle_id: number } | null;
}

export interface NewDelivery {
  recipient: string;
  pickup: string;
  dropoff: string;
  weight_kg: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

interface Problem {
  title?: string;
  detail?: string;
  errors?: { field: string; message: string }[];
}

const REQUEST_TIMEOUT_MS = 10_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export class Api {
  constructor(private readonly send: typeof fetch = (input, init) => fetch(input, init)) {}

  vehicles(cursor: string | null = null): Promise<Page<Vehicle>> {
    return this.request("GET", withCursor("/api/v1/vehicles", cursor));
  }

  deliveries(cursor: string | null = null): Promise<Page<Delivery>> {
    return this.request("GET", withCursor("/api/v1/deliveries", cursor));
  }

  couriersOnDuty(): Promise<Page<Courier>> {
    return this.request("GET", "/api/v1/couriers?status=on_duty&limit=200");
  }

  createDelivery(delivery: NewDelivery): Promise<Delivery> {
    return this.request("POST", "/api/v1/deliveries", delivery);
  }

  assign(deliveryId: number, courierId: number, vehicleId: number): Promise<unknown> {
    const body = { delivery_id: deliveryId, courier_id: courierId, vehicle_id: vehicleId };
    return this.request("POST", "/api/v1/assignments", body);
  }

  changeStatus(deliveryId: number, status: DeliveryStatus, note: string | null): Promise<Delivery> {
    return this.request("POST", `/api/v1/deliveries/${deliveryId}/status`, { status, note });
  }

  async revision(): Promise<string | null> {
    const detailed = await this.request<{ revision: string | null }>("GET", "/health/detailed");
    return detailed.revision;
  }

  private async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = { method, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "content-type": "application/json" };
    }
    let response: Response;
    try {
      response = await this.send(path, init);
    } catch (cause) {
      throw new ApiError(0, `The server cannot be reached (${String(cause)}).`);
    }
    if (!response.ok) {
      throw new ApiError(response.status, await problemText(response));
    }
    return (await response.json()) as T;
  }
}

function withCursor(path: string, cursor: string | null): string {
  return cursor === null ? path : `${path}?cursor=${encodeURIComponent(cursor)}`;
}

/** What a problem document says, or the bare status where there is none (a proxy's error page). */
async function problemText(response: Response): Promise<string> {
  const fallback = `The server answered ${response.status}.`;
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) {
    return fallback;
  }
  const problem = (await response.json()) as Problem;
  const fields = (problem.errors ?? []).map(({ field, message }) => `${field} ${message}`);
  return fields.length > 0 ? fields.join("; ") : (problem.detail ?? problem.title ?? fallback);
}
