-- The fleet: what can carry, who drives, what is to be carried, and who carries it in what.
CREATE TABLE vehicles (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plate       text NOT NULL UNIQUE,
    kind        text NOT NULL CHECK (kind IN ('bicycle', 'van', 'truck')),
    capacity_kg integer NOT NULL CHECK (capacity_kg > 0),
    status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'maintenance', 'retired')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE couriers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    phone      text NOT NULL UNIQUE,
    status     text NOT NULL DEFAULT 'on_duty' CHECK (status IN ('on_duty', 'off_duty')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE deliveries (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient  text NOT NULL,
    pickup     text NOT NULL,
    dropoff    text NOT NULL,
    weight_kg  integer NOT NULL CHECK (weight_kg > 0),
    status     text NOT NULL DEFAULT 'created'
               CHECK (status IN ('created', 'assigned', 'picked_up', 'delivered', 'cancelled', 'failed')),
    note       text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A delivery is assigned once; `ended_at` is set when the delivery ends, and frees the vehicle's capacity.
CREATE TABLE assignments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id bigint NOT NULL UNIQUE REFERENCES deliveries (id),
    courier_id  bigint NOT NULL REFERENCES couriers (id),
    vehicle_id  bigint NOT NULL REFERENCES vehicles (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz
);

CREATE INDEX deliveries_by_status ON deliveries (status, id DESC);
CREATE INDEX assignments_open_by_vehicle ON assignments (vehicle_id) WHERE ended_at IS NULL;
CREATE INDEX assignments_open_by_courier ON assignments (courier_id) WHERE ended_at IS NULL;
