-- acquire.lua -- GRANT: give the name to this token if nobody has it.
-- KEYS: lock, mark, boot.  ARGV: token, ttl_ms, not_after_ms, fence, run_id, guard_ms.
-- Asking again with the same token is a yes that never shortens the ttl: a lost reply is harmless.

local token = token_arg(1)
local ttl_ms = number_arg(2, 1, TTL_MAX_MS, 'ttl_ms')
local not_after_ms = number_arg(3, 0, NUMBER_MAX, 'not_after_ms')
local fence = number_arg(4, 0, NUMBER_MAX, 'fence')
local run, guard_ms = guard_args(5)
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end
local refusal = guard_refusal(run, guard_ms)
if refusal then
    return refusal
end

local holder = holder_read()
local mark = mark_read(fence > 0)
if bad then
    return refuse()
end
if holder and holder ~= token then
    return answer(NO, mark, left_ms(), shown(holder))
end
if fence > 0 then
    local is_marked = holder and mark > 0
    if not is_marked then
        -- One client with a wrong clock must not lift the mark out of everybody's reach.
        if fence > now_us + HOUR_US and fence > mark + 1 then
            return answer(CLOCK, mark, 0)
        end
        mark = math.max(mark + 1, fence)
    end
    mark_write(mark)
end
if holder then
    holder_lengthen(ttl_ms)
else
    holder_write(token, ttl_ms)
end
return answer(YES, mark, 0)
