-- What wrk sends and tells: with a number as argument, bodies of so many bytes; at the end one line of JSON.
function init(arguments)
    local bytes = tonumber(arguments[1])
    if bytes and bytes > 0 then
        wrk.method = "POST"
        wrk.body = string.rep("x", bytes)
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
