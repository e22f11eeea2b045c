// Wires the page: reads the fleet, shows it, sends what people do, and tells the outcome.

import { Api, type Delivery, type DeliveryStatus, type NewDelivery } from "./api";
import { deliveriesTable, vehiclesTable, words } from "./view";

const api = new Api();

async function refresh(): Promise<void> {
  const [vehicles, couriers, deliveries] = await Promise.all([
    api.vehicles(),
    api.couriersOnDuty(),
    api.deliveries(),
  ]);
  const fleet = { vehicles: vehicles.items, couriers: couriers.items, deliveries: deliveries.items };
  place("vehicles").replaceChildren(vehiclesTable(fleet.vehicles));
  place("deliveries").replaceChildren(deliveriesTable(fleet, { assign, change }));
}

function assign(delivery: Delivery, courierId: number, vehicleId: number): void {
  attempt(`Delivery ${delivery.id} is assigned.`, () => api.assign(delivery.id, courierId, vehicleId));
}

function change(delivery: Delivery, status: DeliveryStatus): void {
  const needsReason = status === "cancelled" || status === "failed";
  const note = needsReason ? window.prompt(`Why is delivery ${delivery.id} ${status}?`) : null;
  if (needsReason && !note) {
    return;
  }
  attempt(`Delivery ${delivery.id} is ${words(status)}.`, () => api.changeStatus(delivery.id, status, note));
}

/** Does something, shows the fleet as it is then, and tells how it went. */
function attempt(success: string, action: () => Promise<unknown>): void {
  const tell = (text: string, isBad: boolean): void => {
    const message = place("message");
    message.textContent = text;
    message.classList.toggle("bad", isBad);
  };
  action()
    .then(refresh)
    .then(() => tell(success, false))
    .catch((error: unknown) => tell(error instanceof Error ? error.message : String(error), true));
}

function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) {
    throw new Error(`the page has no element ${id}`);
  }
  return found;
}

function createFrom(form: HTMLFormElement): void {
  const values = new FormData(form);
  const text = (name: string): string => {
    const value = values.get(name);
    return typeof value === "string" ? value : "";
  };
  const delivery: NewDelivery = {
    recipient: text("recipient"),
    pickup: text("pickup"),
    dropoff: text("dropoff"),
    weight_kg: Number(text("weight_kg")),
  };
  attempt(`The delivery for ${delivery.recipient} is created.`, async () => {
    await api.createDelivery(delivery);
    form.reset();
  });
}

place("new-delivery").addEventListener("submit", (event) => {
  event.preventDefault();
  createFrom(event.currentTarget as HTMLFormElement);
});
attempt("", async () => {
  const revision = await api.revision();
  place("revision").textContent = revision === null ? "" : `served by ${revision}`;
});
