-- acquire.lua -- GRANT: give the name to this token if nobody has it and nobody waits in front of it.
-- KEYS: lock; fenced: mark, queue, alive; guarded: boot, the fifth.
-- ARGV: token, ttl_ms, not_after_ms, fence, run_id, guard_ms, barge; of who waits: poll_ms, ticket, wake.
-- Asking again with the same token is a yes that never shortens the ttl: a lost reply is harmless, and
-- a waiter that was handed the name claims it so.  barge ("1"): others that wait are passed over.
-- poll_ms, unless 0: who cannot have the name is put into the queue, or kept alive there.

local token = token_arg(1)
local ttl_ms = number_arg(2, 1, TTL_MAX_MS, 'ttl_ms')
local not_after_ms = number_arg(3, 0, NUMBER_MAX, 'not_after_ms')
local fence = number_arg(4, 0, NUMBER_MAX, 'fence')
local run, guard_ms = guard_args(5, KEYS[5])
local barges = ARGV[7] == '1'
local poll_ms, ticket, wake = 0, 0, ''
if fence > 0 and not KEYS[4] then
    bad = bad or 'number of keys'
end
if fence > 0 and ARGV[8] then
    poll_ms, ticket, wake = queue_args(8)
end
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end
local refusal = guard_refusal(KEYS[5], run, guard_ms)
if refusal then
    return refusal
end

local holder = holder_read()
local mark = mark_read(fence > 0)
if bad then
    return refuse()
end
-- Said yes before, or handed over by a release: both have raised the mark.
if holder == token and (mark > 0 or fence == 0) then
    lock_lengthen(KEYS[1], ttl_ms, digits(ttl_ms))
    return answer(YES, mark, 0)
end

local function grant()
    if fence > 0 then
        -- One client with a wrong clock must not lift the mark out of everybody's reach.
        if fence > now_us + HOUR_US and fence > mark + 1 then
            return answer(CLOCK, mark, 0)
        end
        mark = math.max(mark + 1, fence)
        mark_write(mark)
    end
    if holder then
        lock_lengthen(KEYS[1], ttl_ms, digits(ttl_ms))
    else
        holder_write(token, ttl_ms)
    end
    return answer(YES, mark, 0)
end

local is_taken = holder and holder ~= token
local has_queue = fence > 0 and redis.call('EXISTS', KEYS[3]) == 1
if not is_taken and not has_queue then
    return grant()
end
if not holder and not barges then
    is_taken = queue_wake_before(token)
end
if is_taken then
    local place = poll_ms > 0 and queue_enter(token, poll_ms, ticket, wake) or 0
    return answer(NO, mark, holder and left_ms() or 0, shown(holder), place)
end
queue_leave(token)
return grant()
