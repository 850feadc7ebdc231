-- The delivery tag of a message that Celery wrote; nil for anything else. The other scripts need
-- this function, so it is put in front of them.
local function tag_of(item)
    local known, message = pcall(cjson.decode, item)
    local properties = known and type(message) == 'table' and message.properties
    local tag = type(properties) == 'table' and properties.delivery_tag
    return type(tag) == 'string' and tag or nil
end

