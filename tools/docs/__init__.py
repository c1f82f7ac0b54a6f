# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes what repeats the options, from the model (types, choices, limits, defaults) and the modules' own words (descriptions): ``make docs``.

An option is declared in ``_model`` and described in the module of its object; ``rendered`` has every file that says it again.
"""
