-- release.lua -- RELEASE: take the name from this token, if it has it, and from the queue.
-- KEYS: lock; fenced: mark, queue, alive.
-- ARGV: token, not_after_ms; fenced: hand_off_ms, place; to stay: poll_ms, ticket, wake; or of a claim, if one
-- stands behind it: its token, ttl_ms, not_after_ms.
-- The first waiter who can be reached is woken.  hand_off_ms, unless 0: it is given the name for so
-- long, and the wake tells it so, with the mark and this server's time.  That is a grant like any other, so it
-- raises the mark; the waiter lengthens it by RENEW, or claims it by GRANT.
-- place: "" (the token is not in the queue), "leave" (it may be, and goes), "stay" (it goes back to its
-- ticket's place: an attempt has failed, the wait goes on).
-- A claim is a GRANT of the same client that waits behind this step: if it is next, it is given the name at
-- once and for its whole ttl, with nothing to wake and nothing to claim, and the answer has the mark as its
-- fifth element.  Without that the claim was not looked at.

local token = token_arg(1)
local not_after_ms = number_arg(2, 0, NUMBER_MAX, 'not_after_ms')

-- Plain: nothing but the key.  The two checks stand once more below: were they shared, each plain release
-- would pay for the arguments and functions in front of them.
if not KEYS[4] then
    if bad then
        return refuse()
    end
    if is_late(not_after_ms) then
        return answer(LATE, 0, 0)
    end
    if holder_read() ~= token then
        return answer(NO, 0, 0)
    end
    redis.call('DEL', KEYS[1])
    return answer(YES, 0, 0)
end

local hand_off_ms = number_arg(3, 0, TTL_MAX_MS, 'hand_off_ms')
local place = ARGV[4]
local stays = place == 'stay'
local poll_ms, ticket, wake = 0, 0, ''
if stays then
    poll_ms, ticket, wake = queue_args(5)
end
local claim, claim_ttl_ms = not stays and ARGV[5], 0
if claim then
    claim_ttl_ms = number_arg(6, 1, TTL_MAX_MS, 'ttl_ms')
    claim = not is_late(number_arg(7, 0, NUMBER_MAX, 'not_after_ms')) and claim
end
if bad then
    return refuse()
end
if is_late(not_after_ms) then
    return answer(LATE, 0, 0)
end

-- The mark is wanted by a hand-over alone, but the same call brings it.
local may_hand_over = hand_off_ms > 0 and not stays
local both = may_hand_over and redis.call('MGET', KEYS[1], KEYS[2]) or {holder_read()}
local holder = both[1] or may_hand_over and holder_read()
local holds = holder == token
if not holds and place ~= 'leave' then
    return answer(NO, 0, 0)
end
if place == 'leave' then
    queue_leave(token)
end
local hands_over = holds and may_hand_over
local first = hands_over and redis.call('ZPOPMIN', KEYS[3]) or {}
if hands_over and not first[1] then
    redis.call('DEL', KEYS[1])
    return answer(YES, 0, 0)
end

-- Without a mark there is nothing to raise: the waiter is only woken, and asks like a newcomer.
local mark = hands_over and both[2] and mark_of(both[2]) or 0
mark = mark > 0 and mark + 1 or 0
local function hand_over(next)
    -- First: a waiter that was woken knows it already.
    mark_write(mark)
    redis.call('HDEL', KEYS[4], next)
    holder_write(next, next == claim and claim_ttl_ms or hand_off_ms)
    return answer(YES, 0, 0, next == claim and mark or nil)
end
-- Mostly, and without making what wakes others.
if mark > 0 and first[1] == claim then
    return hand_over(claim)
end

if hands_over then
    local away = {}
    local next
    while first[1] and not next do
        local heard = first[1] == claim or queue_wake(first[1], nil, mark)
        if heard then
            next = first[1]
        elseif heard == nil then
            redis.call('HDEL', KEYS[4], first[1])
        else
            table.insert(away, first)
        end
        first = not next and #away < HEADS_MAX and redis.call('ZPOPMIN', KEYS[3]) or {}
    end
    -- Who cannot be reached now goes back to its place.
    for _, waiter in ipairs(away) do
        redis.call('ZADD', KEYS[3], waiter[2], waiter[1])
    end
    if #away > 0 then
        -- A set that was emptied meanwhile has lost the end of its life; `alive` has the same.
        redis.call('PEXPIRE', KEYS[3], math.max(redis.call('PTTL', KEYS[4]), 1))
    end
    if next and mark > 0 then
        return hand_over(next)
    end
    redis.call('DEL', KEYS[1])
    return answer(YES, 0, 0)
end

if holds then
    redis.call('DEL', KEYS[1])
end
if stays then
    queue_enter(token, poll_ms, ticket, wake)
end
-- Also who was woken for a free name and leaves: it must not take the wake along.
if holds or not holder then
    queue_wake_before(stays and token or '')
end
return answer(holds and YES or NO, 0, 0)
