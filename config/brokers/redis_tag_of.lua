-- The delivery tag of a message as Celery writes them; nil for anything else. Stands before the others.
local function tag_of(item)
    local known, message = pcall(cjson.decode, item)
    local properties = known and type(message) == 'table' and message.properties
    local tag = type(properties) == 'table' and properties.delivery_tag
    return type(tag) == 'string' and tag or nil
end

